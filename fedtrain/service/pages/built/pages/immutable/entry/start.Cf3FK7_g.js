import{s as r}from"../chunks/Bu_sCY_h.js";import{y as t}from"../chunks/BT6lzm1W.js";export{t as load_css,r as start};
