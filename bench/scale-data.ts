import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { incompressible, Seeded } from './seeded.ts'

const FOLDERS = 100

/** `count` files of 1 to 4 kB, such as a labelled data set has, in 100 folders. */
export function makeManyFiles(folder: string, count: number): void {
  const random = new Seeded('many files')
  for (let i = 0; i < FOLDERS; i++) mkdirSync(join(folder, String(i).padStart(2, '0')), { recursive: true })
  for (let i = 0; i < count; i++)
    writeFileSync(
      join(folder, String(i % FOLDERS).padStart(2, '0'), `${String(i).padStart(6, '0')}.json`),
      annotation(random, i, random.between(1000, 4000)),
    )
}

/**
 * One file of about `size` bytes: text and bytes that nothing can compress, in turns of 1 to 8 MiB. Memory holds one
 * turn at most.
 */
export function makeBigFile(file: string, size: number): void {
  const random = new Seeded('big file')
  const noise = incompressible('big file')
  const fd = openSync(file, 'wx')
  for (let written = 0, i = 0; written < size; i++) {
    const length = Math.min(size - written, random.between(1, 9) * 1024 * 1024)
    const bytes = i % 2 === 0 ? noise(length) : Buffer.from(annotation(random, i, length))
    written += writeSync(fd, bytes)
  }
  closeSync(fd)
}

const LABELS = ['person', 'bicycle', 'car', 'traffic light', 'dog', 'backpack', 'umbrella', 'bottle']

/** JSON text of about `length` bytes: boxes around things in a picture. */
function annotation(random: Seeded, id: number, length: number): string {
  let text = `{"image":"${String(id).padStart(6, '0')}.jpg","width":1920,"height":1080,"boxes":[`
  while (text.length < length - 50) {
    const [x, y, size] = [random.between(0, 1_900_000), random.between(0, 1_000_000), random.between(10_000, 400_000)]
    text += `{"label":"${random.pick(LABELS)}","x":${x / 1000},"y":${y / 1000},"size":${size / 1000}},\n`
  }
  return `${text}{}]}\n`
}
