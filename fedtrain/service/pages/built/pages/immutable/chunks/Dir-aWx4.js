import{c as p,E as t}from"./C8Z7X3qz.js";import{B as c}from"./xCCDqwsK.js";function E(r,s,...a){var e=new c(r);p(()=>{const n=s()??null;e.ensure(n,n&&(o=>n(o,...a)))},t)}export{E as s};
