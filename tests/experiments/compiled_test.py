# Copyright 2026 The rdrl Authors. Apache-2.0.
from experiments.bench import compiled

_HLO = """HloModule jit_f

%fused (p: f32[8]) -> f32[8] {
  %p = f32[8]{0} parameter(0)
  ROOT %m = f32[8]{0} multiply(%p, %p)
}

%body (s: (s32[], f32[8])) -> (s32[], f32[8]) {
  %s = (s32[], f32[8]{0}) parameter(0)
  %i = s32[] get-tuple-element(%s), index=0
  %x = f32[8]{0} get-tuple-element(%s), index=1
  %f = f32[8]{0} fusion(%x), kind=kLoop, calls=%fused
  %j = s32[] add(%i, %i)
  ROOT %t = (s32[], f32[8]{0}) tuple(%j, %f)
}

ENTRY %main (a: f32[8], b: pred[4,8]) -> f32[8] {
  %a = f32[8]{0} parameter(0)
  %b = pred[4,8]{1,0} parameter(1)
  %g = f32[8]{0} fusion(%a, %b), kind=kLoop, calls=%fused
  %w = (s32[], f32[8]{0}) while(%t0), condition=%c, body=%body, \
backend_config={"known_trip_count":{"n":"3"}}
  %v = (s32[], f32[8]{0}) while(%w), condition=%c, body=%body
  ROOT %r = f32[8]{0} get-tuple-element(%v), index=1
}
"""


def test_kernels_and_bytes_of_a_program():
  # A turn: one fusion of 8 floats in and out, and a scalar addition.
  turn = 2, 64 + 12
  # Once: a fusion of 8 floats and 32 booleans to 8 floats, and three turns.
  assert compiled.launches(_HLO) == [(1 + 3 * 2, 96 + 3 * 76), turn]
