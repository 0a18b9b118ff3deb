import{s as r}from"../chunks/EpM3uc-x.js";import{y as t}from"../chunks/Dz__KaaC.js";export{t as load_css,r as start};
