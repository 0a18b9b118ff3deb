function s(n,c){const e=document.createElement("a");e.href=URL.createObjectURL(n),e.download=c,e.click(),setTimeout(()=>URL.revokeObjectURL(e.href),1e3)}function i(n,c){const e=t=>{if(typeof t=="number")return String(t);const r=/^[=+\-@\t\r]/.test(t??"")?`'${t}`:t??"";return/[",\r\n]/.test(r)?`"${r.replaceAll('"','""')}"`:r},o=[n,...c].map(t=>t.map(e).join(","));return new Blob([o.join(`
`)+`
`],{type:"text/csv"})}export{i as c,s};
