import{s as r}from"../chunks/BxfX7xUf.js";import{y as t}from"../chunks/a_ghGUay.js";export{t as load_css,r as start};
