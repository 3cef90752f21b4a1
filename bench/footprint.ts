// How small each kind of file becomes, beside its peers: npm run bench:footprint -- <folder> [<kind> ...]
// The folder has a folder for each kind. Prints a table for docs/footprint.md.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Command, measure, sizeOf } from './measure.ts'
import { table } from './report.ts'
import { findTools } from './tools.ts'

interface Peer {
  label: string
  init?: ((place: string) => Command) | undefined
  push: (place: string, source: string) => Command
  store: (place: string) => string
}

const zstd = (level: number): Peer => ({
  label: `zstd -${level}`,
  push: (place, source) => ({
    argv: ['sh', '-c', `tar --sort=name -cf - -C "$1" . | zstd -q -${level} -T1 -o "$2"`, 'sh', source, join(place, 'all.tar.zst')],
  }),
  store: place => join(place, 'all.tar.zst'),
})

const tools = findTools()
const known = (id: string): Peer => {
  const { label, init, push, store } = tools.find(tool => tool.id === id)!
  return { label, init, push: (place, source) => push(place, source, 1), store }
}
const own = known(`node${process.versions.node.split('.')[0]}`)
/** The same push at another level. */
const at = (level: string): Peer => ({
  ...own,
  label: `--level ${level}`,
  push: (place, source) => {
    const command = own.push(place, source)
    return { ...command, argv: [...command.argv, '--level', level] }
  },
})
const peers = [own, at('high'), known('restic-max'), zstd(3), zstd(19)]

const [folder = '.', ...only] = process.argv.slice(2)
const rows: string[][] = []
for (const kind of readdirSync(folder).sort()) {
  if (only.length > 0 && !only.includes(kind)) continue
  const source = resolve(folder, kind)
  const bytes = sizeOf(source)
  const shares: string[] = []
  const seconds: string[] = []
  for (const { init, push, store } of peers) {
    const place = mkdtempSync(join(tmpdir(), 'footprint-'))
    const scratch = join(place, 'time')
    if (init) await measure(init(place), scratch)
    const { cpuSeconds = NaN } = await measure(push(place, source), scratch)
    shares.push(((100 * sizeOf(store(place))) / bytes).toFixed(1))
    seconds.push(cpuSeconds.toFixed(1))
    rmSync(place, { recursive: true })
  }
  const files = readdirSync(source, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile()).length
  rows.push([kind, String(files), (bytes / 1e6).toFixed(1), ...shares, seconds.join(' / ')])
  console.error(rows.at(-1)!.join('  '))
}
console.log(table(['kind', 'files', 'MB', ...peers.map(({ label }) => label), 'CPU seconds'], rows))
