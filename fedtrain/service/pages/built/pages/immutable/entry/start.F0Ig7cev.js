import{s as r}from"../chunks/DQnHfloT.js";import{y as t}from"../chunks/DOeqjHTe.js";export{t as load_css,r as start};
