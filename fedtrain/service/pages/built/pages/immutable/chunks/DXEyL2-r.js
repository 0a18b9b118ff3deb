import{K as a}from"./DijB-n70.js";a();
