import{L as p,M as t}from"./UR7WSWss.js";import{B as c}from"./Dyj9mNMv.js";function f(r,s,...a){var e=new c(r);p(()=>{const n=s()??null;e.ensure(n,n&&(o=>n(o,...a)))},t)}export{f as s};
