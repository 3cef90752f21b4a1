import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Licence texts that a package lacks, by its name: its own, and those of the code that is compiled into it. */
const MISSING = fileURLToPath(new URL('licenses', import.meta.url))

/** Name, version and licence texts of the packages in these folders. */
export function licensesOf(folders: readonly string[]): string {
  return folders.map(licenseOf).join(`\n${'-'.repeat(80)}\n\n`)
}

interface Manifest {
  name: string
  version: string
  license: string
}

function licenseOf(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
  const texts = textsIn(folder)
  const missing = join(MISSING, `${name.replace('/', '+')}.txt`)
  if (existsSync(missing)) texts.push(readFileSync(missing, 'utf8').trim())
  if (texts.length === 0) throw new Error(`${name} carries no licence text: find it and put it into ${missing}`)
  return `${[`${name} ${version} (${license})`, ...texts].join('\n\n')}\n`
}

function textsIn(folder: string): string[] {
  const read = (file: string): string => readFileSync(join(folder, file), 'utf8')
  const files = readdirSync(folder).sort()
  const texts = files.filter(file => /^(licen[cs]e|copying|notice)/i.test(file)).map(file => read(file).trim())
  if (texts.length > 0) return texts
  return files.filter(file => /^readme/i.test(file)).flatMap(file => sectionOnLicense(read(file)) ?? [])
}

/** The licence text in a README: some packages have it only there. */
function sectionOnLicense(readme: string): string | undefined {
  const text = /^(?:#+ *licen[cs]e *|licen[cs]e\n-+)\n([^]*)/im.exec(readme)?.[1]?.trim()
  return text !== undefined && /copyright/i.test(text) && /permission/i.test(text) ? text : undefined
}
