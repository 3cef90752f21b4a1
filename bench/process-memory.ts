import { readFileSync, writeFileSync } from 'node:fs'

/** Bytes of this process in memory: now, and the most since `resetPeak`. */
export function memory(): { resident: number; peak: number } {
  const status = read('/proc/self/status')
  const field = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1] ?? NaN) * 1024
  if (status === '') return { resident: process.memoryUsage.rss(), peak: process.resourceUsage().maxRSS * 1024 }
  return { resident: field('VmRSS'), peak: field('VmHWM') }
}

/** Only Linux can: elsewhere the peak is that of the whole run. */
export function resetPeak(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5')
  } catch {
    // see above
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
