import{m as p,I as t}from"./tz0ljKoo.js";import{B as c}from"./BQE5kv4n.js";function f(r,s,...a){var e=new c(r);p(()=>{const n=s()??null;e.ensure(n,n&&(o=>n(o,...a)))},t)}export{f as s};
