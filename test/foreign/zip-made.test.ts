import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readZip } from '../../src/archive/zip-reader.ts'
import { extractTo } from '../archive/archives.ts'
import { withFolder } from '../helpers/folders.ts'
import { seededNoise, seededText } from '../helpers/seeded.ts'
import { bytesOf, makeTree } from '../helpers/trees.ts'
import { run } from './tools.ts'
import { treeOf } from './trees.ts'

const TREE = {
  empty: '',
  text: seededText(1, 300_000),
  noise: seededNoise(2, 200_000),
  runs: Buffer.concat([Buffer.alloc(100_000, 'a'), seededNoise(3, 70_000), Buffer.alloc(300, 'b')]),
  far: Buffer.concat([seededNoise(4, 60_000), seededNoise(4, 60_000)]),
  [bytesOf('d/Größe ☃.txt')]: 'names',
}

function made(folder: string): Record<string, string> {
  makeTree(join(folder, 'data'), TREE)
  return treeOf(join(folder, 'data'))
}

test('all methods of 7z are read, or named', () =>
  withFolder(async folder => {
    const tree = made(folder)
    for (const method of ['Copy', 'Deflate', 'Deflate64', 'BZip2']) {
      run(folder, '7z', 'a', '-tzip', `-mm=${method}`, '-mx=7', `${method}.zip`, 'data')
      const { result } = await extractTo(join(folder, method), join(folder, `${method}.zip`))
      expect(result, method).toMatchObject({ files: 6, refused: 0, damaged: 0 })
      expect(treeOf(join(folder, method, 'data')), method).toEqual(tree)
    }
    for (const [method, why] of [
      ['-mm=LZMA', 'LZMA'],
      ['-mm=PPMd', 'PPMd'],
      ['-psecret', 'encrypted'],
      ['-mem=AES256', 'encrypted'],
    ]) {
      run(folder, '7z', 'a', '-tzip', method!, ...(method === '-mem=AES256' ? ['-psecret'] : []), `${why}.zip`, 'data')
      const { result, warnings } = await extractTo(join(folder, why!), join(folder, `${why}.zip`))
      expect(result.refused).toBeGreaterThan(0)
      expect(result.damaged).toBe(0)
      expect(warnings[0]).toContain(why)
    }
  }))

test('archives with something before and after them, and streamed ones, are read', () =>
  withFolder(async folder => {
    const tree = made(folder)
    run(folder, 'bash', '-c', 'zip -qr plain.zip data && zip -qr - data > streamed.zip && bsdtar --format=zip -cf bsdtar.zip data')
    run(folder, 'bash', '-c', 'bsdtar --format=zip -cf - data | cat > padded.zip')
    run(folder, 'bash', '-c', 'cat /bin/true plain.zip > behind.exe && cp behind.exe adjusted.exe && zip -qA adjusted.exe')
    run(
      folder,
      'python3',
      '-c',
      "import zipapp,shutil; shutil.copytree('data','app'); open('app/__main__.py','w'); zipapp.create_archive('app','app.pyz','/bin/sh')",
    )
    for (const name of ['plain.zip', 'streamed.zip', 'bsdtar.zip', 'padded.zip', 'behind.exe', 'adjusted.exe', 'app.pyz']) {
      const { result } = await extractTo(join(folder, 'out', name), join(folder, name))
      expect(result, name).toMatchObject({ refused: 0, damaged: 0 })
      const found = treeOf(join(folder, 'out', name, name === 'app.pyz' ? '.' : 'data'))
      delete found['__main__.py']
      expect(found, name).toEqual(tree)
    }
  }))

test('parts of an archive in several are called that', () =>
  withFolder(async folder => {
    makeTree(folder, { noise: seededNoise(1, 200_000) })
    run(folder, 'zip', '-q', '-s', '64k', 'parts.zip', 'noise')
    for (const name of ['parts.zip', 'parts.z01'])
      await expect(extractTo(join(folder, 'out'), join(folder, name))).rejects.toMatchObject({ code: 'unsupported', message: /one part/ })
  }))

test('66,000 files counted modulo 65,536, as macOS writes them, all come out', () =>
  withFolder(async folder => {
    run(
      folder,
      'python3',
      '-c',
      `
import struct, zipfile
with zipfile.ZipFile('mac.zip', 'w') as z:
    for i in range(66000): z.writestr(zipfile.ZipInfo('%d/%d' % (i // 1000, i)), '')
d = bytearray(open('mac.zip', 'rb').read()); r, e = d.rfind(b'PK\\6\\6'), d.rfind(b'PK\\5\\6'); n, o = struct.unpack('<QQ', d[r + 40:r + 56])
d[e:] = struct.pack('<IHHHHIIH', 0x06054b50, 0, 0, 464, 464, n, o, 0); del d[r:e]; open('mac.zip', 'wb').write(d)
`,
    )
    let count = 0
    const help = { zstd: (bytes: AsyncIterable<Uint8Array>) => bytes, onLonger: () => undefined }
    for await (const { path, error } of readZip(join(folder, 'mac.zip'), help)) {
      if (error !== undefined || path !== `${Math.floor(count / 1000)}/${count}`) throw new Error(path)
      count++
    }
    expect(count).toBe(66_000)
  }))

test('a damaged archive gives all entries but the damaged one, as 7z does', () =>
  withFolder(async folder => {
    const { noise, ...others } = made(folder)
    run(folder, 'bash', '-c', 'cd data && zip -q0 ../whole.zip empty text noise runs far d/*')
    const bytes = readFileSync(join(folder, 'whole.zip'))
    bytes[bytes.indexOf(TREE.noise.subarray(1000, 1020))]! ^= 1
    writeFileSync(join(folder, 'damaged.zip'), bytes)
    const { result, warnings } = await extractTo(join(folder, 'out'), join(folder, 'damaged.zip'))
    expect(result).toMatchObject({ files: 5, damaged: 1 })
    expect(warnings).toEqual(['noise was not extracted: its checksum is wrong'])
    expect(noise).toBeDefined()
    expect(treeOf(join(folder, 'out'))).toEqual(others)
  }))
