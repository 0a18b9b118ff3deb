import{s as r}from"../chunks/CjsTuA6U.js";import{y as t}from"../chunks/qwfPg099.js";export{t as load_css,r as start};
