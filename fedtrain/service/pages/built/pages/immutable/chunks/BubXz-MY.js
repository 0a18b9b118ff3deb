import{p as r}from"./a_ghGUay.js";const t={get error(){return r.error},get params(){return r.params},get route(){return r.route},get status(){return r.status}},a=t;export{a as p};
