import{F as p,G as t}from"./Tbi7oblX.js";import{B as c}from"./Dq1cH0Ju.js";function f(r,s,...a){var e=new c(r);p(()=>{const n=s()??null;e.ensure(n,n&&(o=>n(o,...a)))},t)}export{f as s};
