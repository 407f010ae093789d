/** Draws a QR code: rows of modules, of which 1 is dark. It is black on white in the dark, too: cameras want it so. */
export function QrCode({ rows, label }: { rows: string[]; label: string }) {
  const quiet = 4; // modules of light around it (ISO/IEC 18004)
  const size = rows.length + 2 * quiet;
  const dark = rows.flatMap((row, y) => [...row.matchAll(/1+/g)].map((run) => `M${run.index + quiet} ${y + quiet}h${run[0].length}v1h-${run[0].length}z`));
  return (
    <svg role="img" aria-label={label} viewBox={`0 0 ${size} ${size}`} width="200" height="200" shapeRendering="crispEdges">
      <rect width={size} height={size} fill="#fff" />
      <path d={dark.join("")} fill="#000" />
    </svg>
  );
}
