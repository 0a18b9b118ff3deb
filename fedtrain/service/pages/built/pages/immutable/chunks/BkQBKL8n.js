import{y as p,H as t}from"./FgoWTZT-.js";import{B as c}from"./CXw-YrwG.js";function f(r,s,...a){var e=new c(r);p(()=>{const n=s()??null;e.ensure(n,n&&(o=>n(o,...a)))},t)}export{f as s};
