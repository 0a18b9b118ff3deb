import{s as r}from"../chunks/CrFpxr5o.js";import{y as t}from"../chunks/CNEjMSkd.js";export{t as load_css,r as start};
