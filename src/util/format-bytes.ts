const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const

function inUnit(bytes: number): { number: string; unit: string } {
  let value = Math.abs(bytes)
  let unit = 0
  while (unit < BYTE_UNITS.length - 1 && Number(value.toPrecision(3)) >= 1000) {
    value /= 1000
    unit++
  }
  const digits = unit === 0 || value >= 1000 ? String(Math.round(value)) : value.toPrecision(3)
  return { number: bytes < 0 ? `-${digits}` : digits, unit: BYTE_UNITS[unit]! }
}

/** Decimal units, three significant digits: `0 B`, `999 B`, `1.00 kB`, `85.2 MB`. */
export function formatBytes(bytes: number): string {
  const { number, unit } = inUnit(bytes)
  return `${number} ${unit}`
}

/** `1.23 of 4.56 GB`, or `850 MB of 1.20 GB` if the units differ. */
export function formatBytesOf(done: number, total: number): string {
  const whole = inUnit(total)
  const part = inUnit(done)
  return part.unit === whole.unit ? `${part.number} of ${whole.number} ${whole.unit}` : `${formatBytes(done)} of ${formatBytes(total)}`
}
