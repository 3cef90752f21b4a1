import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { decodeKeyObject, labelOf, unwrapKey } from '../../../src/repository/sealing/key-object.ts'
import { RepositoryKeys } from '../../../src/repository/sealing/keys.ts'
import { parseRecoveryCode } from '../../../src/repository/sealing/recovery-code.ts'
import { openName } from '../../../src/repository/sealing/sealed-names.ts'
import { openObject, type SealedKind } from '../../../src/repository/sealing/sealed-object.ts'
import { makeVectors, readVectors, vectorBytes, VECTORS } from './vectors.ts'

interface Vectors {
  master: string
  objects: { kind: SealedKind; size: number; sealed?: string }[]
  names: { plain: string; name: string }[]
  keyObjects: { name: string; bytes: string; secret: string; code?: string; label: string }[]
}

// the vectors are never changed: what was sealed once must be read for ever
test('the program makes the committed vectors, bit for bit', async () => {
  expect(await makeVectors()).toEqual(readVectors())
})

test('the program reads the committed vectors', async () => {
  const { master, objects, names, keyObjects } = readVectors() as Vectors
  const keys = new RepositoryKeys(Buffer.from(master, 'hex'))
  const whole = objects.filter(({ sealed }) => sealed !== undefined)
  expect(whole.length).toBeGreaterThanOrEqual(4)
  for (const { kind, size, sealed } of whole)
    expect(openObject(keys, kind, Buffer.from(sealed!, 'hex'), 'it')).toEqual(vectorBytes(`object ${size}`, size))
  for (const { plain, name } of names) expect(openName(keys, name)?.plain).toBe(plain)
  for (const { name, bytes, secret, code, label } of keyObjects) {
    const object = decodeKeyObject(name, Buffer.from(bytes))
    expect(Buffer.from((await unwrapKey(object, Buffer.from(secret, 'hex')))!.master)).toEqual(Buffer.from(master, 'hex'))
    expect(label.startsWith(labelOf(keys, object)!)).toBe(true)
    if (code !== undefined) expect(parseRecoveryCode(code)).toEqual(Buffer.from(secret, 'hex'))
  }
})

const fileHere = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

test.each([[[]], [['pure']]])('rescue.py and a reader in Python read the committed vectors %s', how => {
  const run = spawnSync('python3', [fileHere('vectors.py'), fileHere('../../../docs/rescue.py'), VECTORS, ...how], {
    encoding: 'utf8',
    env: { ...process.env, PYTHONIOENCODING: 'utf-8', PYTHONDONTWRITEBYTECODE: '1' },
  })
  expect(run.status, run.stderr).toBe(0)
  expect(Number(/^\d+/.exec(run.stdout)?.[0])).toBeGreaterThan(300)
})
