import"../chunks/DsnmJJEf.js";import"../chunks/DIc4hBUE.js";import{S as n}from"../chunks/CsIlWk3h.js";function m(o){n(o,{})}export{m as component};
