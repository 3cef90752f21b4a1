import { describe, expect, it } from 'vitest'
import { applyMask, parseFields } from './field-mask.ts'
import { LIST_FIELDS } from './file-resource.ts'

const value = {
  kind: 'k',
  nextPageToken: 't',
  files: [
    {
      id: '1',
      name: 'a',
      owners: [{ me: true, emailAddress: 'x' }],
      appProperties: { p: '1', q: '2' },
      capabilities: { canEdit: true, canCopy: true },
    },
    { id: '2', name: 'b', owners: [] },
  ],
}
const select = (fields: string) => applyMask(value, parseFields(fields, LIST_FIELDS))

describe('fields', () => {
  it.each<[string, unknown]>([
    ['*', value],
    ['', {}],
    ['nextPageToken', { nextPageToken: 't' }],
    ['files(id)', { files: [{ id: '1' }, { id: '2' }] }],
    ['files/id', { files: [{ id: '1' }, { id: '2' }] }],
    ['files(id), nextPageToken', { files: [{ id: '1' }, { id: '2' }], nextPageToken: 't' }],
    ['files/id,files/name', { files: value.files.map(({ id, name }) => ({ id, name })) }],
    [
      'files(id,owners/me)',
      {
        files: [
          { id: '1', owners: [{ me: true }] },
          { id: '2', owners: [] },
        ],
      },
    ],
    ['files(owners(me,emailAddress))', { files: [{ owners: [{ me: true, emailAddress: 'x' }] }, { owners: [] }] }],
    ['files(appProperties/q)', { files: [{ appProperties: { q: '2' } }, {}] }],
    ['files(capabilities(canEdit),capabilities/canCopy)', { files: [{ capabilities: { canEdit: true, canCopy: true } }, {}] }],
    ['files/*', { files: value.files }],
    ['files(*)', { files: value.files }],
    ['files,files/id', { files: value.files }],
    ['files(md5Checksum)', { files: [{}, {}] }],
  ])('%s', (fields, expected) => {
    expect(select(fields)).toEqual(expected)
  })

  it.each([
    'id',
    'files(nope)',
    'files(id',
    'files(id))',
    'files()',
    'files,',
    ',files',
    'files//id',
    'files/',
    'kind/x',
    'files(id)(name)',
    'files id',
    '__proto__',
    'files(toString)',
  ])('%s is refused', fields => {
    expect(() => select(fields)).toThrow(expect.objectContaining({ status: 400, reason: 'invalidParameter' }) as Error)
  })
})
