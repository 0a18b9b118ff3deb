import"../chunks/DsnmJJEf.js";import{h as a}from"../chunks/C8Z7X3qz.js";import{S as e}from"../chunks/3wBoiDu8.js";a();function r(o){e(o,{})}export{r as component};
