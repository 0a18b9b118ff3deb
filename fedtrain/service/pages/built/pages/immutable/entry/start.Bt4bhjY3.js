import{s as r}from"../chunks/D4C68BoM.js";import{y as t}from"../chunks/BwYvZueS.js";export{t as load_css,r as start};
