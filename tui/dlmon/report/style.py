"""The page's style: one column of cards, two side by side where there is room; light and dark; paper."""

CSS = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1d2733;--soft:#5b6877;--rule:#dde2e8;--faint:#eef1f4;
--c0:#2563a8;--c1:#c4621b;--c2:#2f855a;--c3:#8a4fa3;--c4:#8a6d1d;--c5:#4a5568;
--good:#226b47;--bad:#b3261e;--warn:#8a5a00;--heat:37,99,168}
@media (prefers-color-scheme:dark){:root{--page:#12161b;--card:#1a2027;--ink:#e4e9ef;--soft:#9aa7b5;--rule:#303944;
--faint:#232b34;--c0:#6cabec;--c1:#f0995a;--c2:#63c295;--c3:#c591dd;--c4:#d6b656;--c5:#a5b1c0;
--good:#6fcf9b;--bad:#ff8a80;--warn:#e5b454;--heat:108,171,236}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
main{max-width:1120px;margin:0 auto;padding:32px 24px 48px}
header{margin-bottom:24px}
.kicker{margin:0 0 4px;color:var(--soft);font-size:14px}
h1{margin:0 0 12px;font-size:26px;line-height:1.25;font-weight:650;overflow-wrap:anywhere}
h2{margin:0 0 12px;font-size:17px;font-weight:650}
h3{margin:16px 0 6px;font-size:15px;font-weight:650}
p{margin:0 0 8px}
.lead{max-width:75ch}
.badge{display:inline-block;margin-left:10px;padding:1px 10px;border:1px solid currentColor;border-radius:99px;
font-size:13px;font-weight:600;vertical-align:4px;white-space:nowrap}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}.soft{color:var(--soft)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:0 0 20px;padding:0}
.tile{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:12px 16px;margin:0}
.tile dt{color:var(--soft);font-size:13px}
.tile dd{margin:2px 0 0;font-size:21px;font-weight:650;line-height:1.3;overflow-wrap:anywhere}
.tile small{display:block;font-size:13px;font-weight:400;color:var(--soft)}
section{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:20px 24px;margin:0 0 20px;
min-width:0}
.pair{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:20px;margin:0 0 20px}
.pair>section{margin:0}
.pair>section:last-child:nth-child(odd){grid-column:1/-1}
.chart{display:block;width:100%;height:auto;font:11px system-ui,sans-serif}
.pair>section:last-child:nth-child(odd) .chart{max-width:700px}
.grid{stroke:var(--faint)}.axis{stroke:var(--rule)}
.tick,.label{fill:var(--soft)}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round}
.band{opacity:.16}
.line.c0,.raw.c0{stroke:var(--c0)}.line.c1,.raw.c1{stroke:var(--c1)}.line.c2,.raw.c2{stroke:var(--c2)}
.line.c3,.raw.c3{stroke:var(--c3)}.line.c4,.raw.c4{stroke:var(--c4)}.line.c5,.raw.c5{stroke:var(--c5)}
.c0{fill:var(--c0)}.c1{fill:var(--c1)}.c2{fill:var(--c2)}.c3{fill:var(--c3)}.c4{fill:var(--c4)}.c5{fill:var(--c5)}
.line,.raw{fill:none}
.raw{stroke-width:1;opacity:.32}
.legend{display:flex;flex-wrap:wrap;gap:2px 16px;margin:6px 0 0;padding:0;list-style:none;font-size:13px;
color:var(--soft)}
.key{display:inline-block;width:14px;height:4px;border-radius:2px;margin-right:6px;vertical-align:3px}
.key.c0{background:var(--c0)}.key.c1{background:var(--c1)}.key.c2{background:var(--c2)}
.key.c3{background:var(--c3)}.key.c4{background:var(--c4)}.key.c5{background:var(--c5)}
.note{margin:6px 0 0;font-size:13px;color:var(--soft)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{padding:6px 12px 6px 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--faint)}
thead th{color:var(--soft);font-weight:600;font-size:13px;border-bottom-color:var(--rule);white-space:nowrap}
tbody th{font-weight:400}
tr:last-child>td,tr:last-child>th{border-bottom:0}
.number{text-align:right;white-space:nowrap}
.word{white-space:nowrap}
.wide{min-width:min(30em,75vw)}
.bars .bar{width:45%;min-width:60px}.bars svg{display:block;width:100%;height:12px;margin-top:5px}
.matrix{width:auto}.matrix td,.matrix thead th{text-align:right;padding:6px 12px}
.matrix td{min-width:3.2em}.matrix thead th:first-child{text-align:left;padding-left:0}
.right-answer{font-weight:700}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.92em}
code{overflow-wrap:anywhere}
pre{margin:8px 0;padding:12px 14px;background:var(--faint);border-radius:6px;overflow-x:auto}
.finding{padding:12px 0;border-top:1px solid var(--faint)}
.finding:first-of-type{border-top:0;padding-top:0}.finding:last-child{padding-bottom:0}
.finding p{margin:4px 0 0}
ul.plain{margin:0;padding-left:1.2em}
details{margin:8px 0 0}summary{cursor:pointer;color:var(--soft);font-size:14px}
footer{color:var(--soft);font-size:13px}
@media (max-width:760px){main{padding:20px 14px 32px}section{padding:16px}.pair{grid-template-columns:minmax(0,1fr)}
h1{font-size:22px}.chart{font-size:16px}.tile dd{font-size:18px}
.tiles{grid-template-columns:repeat(2,minmax(0,1fr))}
.tile:last-child:nth-child(odd){grid-column:1/-1}
.samples tr,.checks tr{display:grid;border-bottom:1px solid var(--faint);padding:6px 0}
.samples tr{grid-template-columns:repeat(4,1fr)}.checks tr{grid-template-columns:1fr auto}
.samples td,.checks td,.samples th,.checks th{border:0;padding:1px 6px 1px 0}
.samples td.wide,.checks td.wide{grid-column:1/-1;min-width:0}
.checks thead,.samples th:last-child{display:none}.samples .number{text-align:left}.samples th{white-space:normal}}
@media print{:root{color-scheme:light;--page:#fff;--card:#fff;--ink:#000;--soft:#444;--rule:#bbb;--faint:#e4e4e4;
--c0:#2563a8;--c1:#c4621b;--c2:#2f855a;--c3:#8a4fa3;--c4:#8a6d1d;--c5:#4a5568;--good:#226b47;--bad:#b3261e;
--warn:#8a5a00;--heat:37,99,168}
body{font-size:10.5pt}main{max-width:none;padding:0}section,.tile{break-inside:avoid;border-radius:0}
section.long{break-inside:auto}tr{break-inside:avoid}.scroll{overflow:visible}pre{white-space:pre-wrap}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""
