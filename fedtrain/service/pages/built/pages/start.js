{
__sveltekit_38fs3p = {
base: new URL('.', location).pathname.slice(0, -1)
};

const element = document.currentScript.parentElement;

Promise.all([
import("./immutable/entry/start.BOSOn4IQ.js"),
import("./immutable/entry/app.DNaFn_1O.js")
]).then(([kit, app]) => {
kit.start(app, element);
});
}
