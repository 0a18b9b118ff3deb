import"../chunks/DsnmJJEf.js";import"../chunks/DXEyL2-r.js";import{S as n}from"../chunks/CzY1Ps_g.js";function m(o){n(o,{})}export{m as component};
