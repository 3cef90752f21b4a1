// Compares with the programs that people make and read such files with, and with file systems that nobody here wrote:
// `npm run test:foreign [-- <vitest arguments>]`. It installs what it needs from Debian.
import { spawnSync } from 'node:child_process'
import { delimiter } from 'node:path'
import { findProgram } from '../src/util/find-program.ts'
import { installPackages } from './debian-packages.ts'

/** The program that a test calls, and the Debian package that has it. */
const PROGRAMS: Record<string, string> = {
  '7z': 'p7zip-full',
  bsdtar: 'libarchive-tools',
  busybox: 'busybox',
  bzip2: 'bzip2',
  cpio: 'cpio',
  git: 'git',
  lz4: 'lz4',
  'mkfs.exfat': 'exfatprogs',
  'mkfs.fat': 'dosfstools',
  'mount.exfat-fuse': 'exfat-fuse',
  'ntfs-3g': 'ntfs-3g',
  pax: 'pax',
  pigz: 'pigz',
  pzstd: 'zstd',
  python3: 'python3',
  unzip: 'unzip',
  xz: 'xz-utils',
  zip: 'zip',
}

/** Modules of Debian's Python, and the package that has them. */
const MODULES: Record<string, string> = {
  h5py: 'python3-h5py',
  joblib: 'python3-joblib',
  numpy: 'python3-numpy',
  onnx: 'python3-onnx',
  torch: 'python3-torch',
}

const hasModule = (name: string): boolean =>
  spawnSync('/usr/bin/python3', ['-c', `import importlib.util, sys; sys.exit(importlib.util.find_spec('${name}') is None)`]).status === 0

const environment = { ...process.env, PATH: [process.env.PATH, '/usr/sbin', '/sbin'].join(delimiter) }
const missing = Object.keys(PROGRAMS).filter(program => findProgram(program, environment.PATH) === undefined)
const packages = [
  ...new Set(missing.map(program => PROGRAMS[program]!)),
  ...Object.keys(MODULES)
    .filter(name => !hasModule(name))
    .map(name => MODULES[name]!),
]
if (packages.length > 0 && !installPackages(...packages)) {
  console.error(`Some programs are missing: install ${packages.join(' ')}, then run this again.`)
  process.exit(1)
}

const { status, error } = spawnSync(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', '--project', 'foreign', ...process.argv.slice(2)],
  { stdio: 'inherit', env: environment },
)
if (error !== undefined) console.error(`The tests could not be started: ${error.message}`)
process.exitCode = status ?? 1
