{
__sveltekit_38fs3p = {
base: new URL('.', location).pathname.slice(0, -1)
};

const element = document.currentScript.parentElement;

Promise.all([
import("./immutable/entry/start.Cf3FK7_g.js"),
import("./immutable/entry/app.BOAeVBTt.js")
]).then(([kit, app]) => {
kit.start(app, element);
});
}
