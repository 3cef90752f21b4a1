import { expect, test } from 'vitest'
import { doingLine, forgottenLine, savedLine, type Doing } from '../../src/commands/watch/watch-lines.ts'
import type { StoredSnapshot } from '../../src/repository/format/snapshot.ts'
import { textWidth } from '../../src/ui/width.ts'

const snapshot = (more: Partial<StoredSnapshot> = {}): StoredSnapshot =>
  ({ name: 'out', id: '1a2b3c4d5e6f', metrics: {}, ...more }) as StoredSnapshot

test('a version is one line of 80 columns at most, whatever is in it', () => {
  const metrics = { eval_loss: 0.31, loss: 0.5, epoch: 3 }
  const files = ['checkpoint-400/model.safetensors', 'checkpoint-400/trainer_state.json']
  const whole = snapshot({ metrics, checkpoint: 'checkpoint-400' })
  expect(savedLine('12:00:00', whole, files, 8.1e6)).toBe('12:00:00 saved out@1a2b3c4d: checkpoint-400 (8.10 MB); eval_loss=0.31; loss=0.5')
  expect(savedLine('12:00:00', snapshot(), ['a', 'b'], 10)).toBe('12:00:00 saved out@1a2b3c4d: b and 1 other file (10 B)')
  const long = 'a/very/long/path/of/a/model/that/somebody/has/named/with/great/care/model-epoch-1.safetensors'
  for (const each of [
    savedLine('12:00:00', snapshot({ metrics, incomplete: { files: 3, carried: 1 } }), [long], 1e9),
    savedLine('12:00:00', snapshot({ metrics, name: '名'.repeat(21) }), [long, long], 1e9),
    forgottenLine(Array.from({ length: 40 }, () => snapshot())),
  ]) {
    expect(textWidth(each)).toBeLessThanOrEqual(80)
  }
})

test('the live line tells what comes next, and does not look alive when nothing happens', () => {
  const doing: Doing = {
    name: 'out',
    isStopping: false,
    versions: 5,
    storedBytes: 33e6,
    written: [],
    waiting: [],
    trouble: undefined,
    nextLook: 1000,
    nextVersion: 0,
  }
  expect(doingLine(doing, 0, 76)).toBe('watching out: 5 versions (33.0 MB stored); nothing new; next look in 1 s')
  expect(doingLine({ ...doing, written: ['epoch-6.pt'] }, 0, 200)).toMatch(/; writing epoch-6\.pt; next look in 1 s$/)
  expect(doingLine({ ...doing, waiting: ['a', 'b'], nextVersion: 20_000 }, 0, 200)).toMatch(/; saving 2 files in 20 s; next look/)
  expect(doingLine({ ...doing, waiting: ['a'], written: ['b'] }, 0, 60)).toBe('watching out: 5 versions (33.0 MB stored); saving a')
  expect(doingLine(doing, 91_000, 200)).toMatch(/; looking since 1m30s$|; looking since 1 min 30 s$|looking since /)
  expect(doingLine(doing, 91_000, 200)).not.toMatch(/nothing new|next look/)
  expect(doingLine({ ...doing, trouble: 'Drive is full.' }, 0, 200)).toMatch(/; nothing can be saved: Drive is full\.; next look/)
})
