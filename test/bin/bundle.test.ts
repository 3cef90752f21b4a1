import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { expect, test } from 'vitest'
import { bundleOptions } from '../../scripts/build.ts'
import { withFolder } from '../helpers/folders.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Bundles a program as the build does, runs it in a folder without dependencies, and returns all that it printed. */
function runBundled(program: string): Promise<string> {
  return withFolder(async folder => {
    const stdin = { contents: program, resolveDir: ROOT, sourcefile: 'program.mjs' }
    const { outputFiles = [] } = await build({ ...bundleOptions, stdin, outdir: folder })
    for (const { path, contents } of outputFiles) writeFileSync(join(folder, basename(path)), contents)
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
    return execFileSync(process.execPath, [join(folder, 'stdin.js')], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  })
}

test('CommonJS code made by Emscripten works in the bundle, and prints nothing', async () => {
  const output = await runBundled(`
    import { ZstdCodec } from 'zstd-codec'
    ZstdCodec.run(zstd => {
      const simple = new zstd.Simple()
      const plain = Buffer.from('colab-escape '.repeat(10_000))
      const packed = simple.compress(plain, 3)
      if (packed.length > 1000 || !plain.equals(simple.decompress(packed))) throw new Error('no round trip')
      process.stdout.write('done')
    })`)
  expect(output).toBe('done')
})

test('parts of node:zlib that a Node lacks are undefined, not a failure to start', async () => {
  expect(await runBundled(`import * as zlib from 'node:zlib'; process.stdout.write(typeof zlib.notInAnyNode)`)).toBe('undefined')
})

test('the version and the place of the code are known', async () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
  const output = await runBundled(
    `process.stdout.write([__VERSION__, __filename.endsWith('stdin.js'), __filename.startsWith(__dirname)].join())`,
  )
  expect(output).toBe(`${version},true,true`)
})

test('what Node has built in can be required', async () => {
  expect(await runBundled(`process.stdout.write(typeof require('node:zlib').deflateRawSync)`)).toBe('function')
})
