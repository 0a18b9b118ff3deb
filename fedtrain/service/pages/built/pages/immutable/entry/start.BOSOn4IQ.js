import{s as r}from"../chunks/_p8TDVVA.js";import{y as t}from"../chunks/Cx4gLHkn.js";export{t as load_css,r as start};
