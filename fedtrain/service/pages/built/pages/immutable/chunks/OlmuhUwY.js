import{z as p,I as t}from"./Bj2-XVNu.js";import{B as c}from"./BD-Ll-kT.js";function f(r,s,...a){var e=new c(r);p(()=>{const n=s()??null;e.ensure(n,n&&(o=>n(o,...a)))},t)}export{f as s};
