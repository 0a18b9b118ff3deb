{
__sveltekit_38fs3p = {
base: new URL('.', location).pathname.slice(0, -1)
};

const element = document.currentScript.parentElement;

Promise.all([
import("./immutable/entry/start.NAubk09Q.js"),
import("./immutable/entry/app.4XU708Tk.js")
]).then(([kit, app]) => {
kit.start(app, element);
});
}
