import { describe, expect, test } from 'vitest'
import { checkTags } from '../../../src/repository/versions/tags.ts'
import { refusal } from '../../helpers/failures.ts'

describe('tags', () => {
  test.each(['best', 'v1.0', 'epoch-20', '125m', '350m', '500ms', '30s', '8636', '2026-11'])('%s may be one', tag => {
    expect(checkTags([tag])).toEqual([tag])
  })

  test.each(['2h', '30min', '3d', '1w', '1d12h', '1.5h', 'yesterday', '2026-11-20', '2026-11-20T15'])('%s is a time', tag => {
    expect(refusal(() => checkTags([tag]), 'usage').message).toBe(`"${tag}" can't be a tag: after an @ it means a time.`)
  })
})
