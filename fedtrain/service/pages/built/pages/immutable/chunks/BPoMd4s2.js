import{z as p,I as t}from"./CbkI4AUJ.js";import{B as c}from"./Cr3U26rE.js";function f(r,s,...a){var e=new c(r);p(()=>{const n=s()??null;e.ensure(n,n&&(o=>n(o,...a)))},t)}export{f as s};
