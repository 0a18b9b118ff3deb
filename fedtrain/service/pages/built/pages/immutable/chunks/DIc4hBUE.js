import{K as a}from"./UR7WSWss.js";a();
