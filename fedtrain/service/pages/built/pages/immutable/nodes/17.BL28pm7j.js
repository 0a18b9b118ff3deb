import"../chunks/DsnmJJEf.js";import"../chunks/DIc4hBUE.js";import{S as n}from"../chunks/CFU8b87X.js";function m(o){n(o,{})}export{m as component};
