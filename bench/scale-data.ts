import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { incompressible, Seeded } from './seeded.mjs'

const FOLDERS = 100

/** `count` files of 1 to 4 kB, such as a labelled data set has, in 100 folders. */
export function makeManyFiles(folder, count) {
  const random = new Seeded('many files')
  for (let i = 0; i < FOLDERS; i++) mkdirSync(join(folder, String(i).padStart(2, '0')), { recursive: true })
  for (let i = 0; i < count; i++)
    writeFileSync(
      join(folder, String(i % FOLDERS).padStart(2, '0'), `${String(i).padStart(6, '0')}.json`),
      annotation(random, i, random.between(1000, 4000)),
    )
}

/** One file of about `bytes`, half of it text and half of it what nothing can compress, changing over every 1 to 8 MiB; never more than that in memory. */
export function makeBigFile(file, bytes) {
  const random = new Seeded('big file')
  const noise = incompressible('big file')
  const fd = openSync(file, 'wx')
  for (let written = 0, i = 0; written < bytes; i++) {
    const length = Math.min(bytes - written, random.between(1, 9) * 1024 * 1024)
    written += writeSync(fd, i % 2 === 0 ? noise(length) : annotation(random, i, length))
  }
  closeSync(fd)
}

const LABELS = ['person', 'bicycle', 'car', 'traffic light', 'dog', 'backpack', 'umbrella', 'bottle']

/** JSON text of about `length` bytes: boxes around things in a picture. */
function annotation(random, id, length) {
  let text = `{"image":"${String(id).padStart(6, '0')}.jpg","width":1920,"height":1080,"boxes":[`
  while (text.length < length - 50) {
    const [x, y, size] = [random.between(0, 1_900_000), random.between(0, 1_000_000), random.between(10_000, 400_000)]
    text += `{"label":"${random.pick(LABELS)}","x":${x / 1000},"y":${y / 1000},"size":${size / 1000}},\n`
  }
  return `${text}{}]}\n`
}
