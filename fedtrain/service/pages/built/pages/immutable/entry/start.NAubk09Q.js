import{s as r}from"../chunks/CPM2ph2Q.js";import{y as t}from"../chunks/L8yYkpiX.js";export{t as load_css,r as start};
