import{z as p,I as t}from"./CtUWzbu7.js";import{B as c}from"./Br-uG11W.js";function f(r,s,...a){var e=new c(r);p(()=>{const n=s()??null;e.ensure(n,n&&(o=>n(o,...a)))},t)}export{f as s};
