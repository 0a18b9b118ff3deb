import{L as p,M as t}from"./DijB-n70.js";import{B as c}from"./DPFE2vMd.js";function f(r,s,...a){var e=new c(r);p(()=>{const n=s()??null;e.ensure(n,n&&(o=>n(o,...a)))},t)}export{f as s};
