import{s as r}from"../chunks/DiZOJmF1.js";import{y as t}from"../chunks/C-kpAfbe.js";export{t as load_css,r as start};
