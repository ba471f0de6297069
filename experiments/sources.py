# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Prepares drives for the pipeline that are neither built in nor prepared."""


def prepare(request, out_dir):
  """Writes prepared logs of the drive of a request, unless they are there.

  Args:
    request: `pipeline.Request` of source `kitti`.
    out_dir: folder of the logs.

  Raises:
    LogError: if the drive is not valid.
    OSError: if it cannot be read or `out_dir` be written.
  """
  # TFDS is absent on accelerator images; only this source needs it.
  from data_pipelines import builder
  from data_pipelines import kitti

  if not out_dir.exists():
    log = kitti.read_raw(
      request.data_dir,
      cameras=('image_02', 'image_03'),
      num_lidar=request.config.kitti_num_lidar,
      num_agents=request.config.num_agents,
    )
    builder.write([log], out_dir, request.data_dir)


def preparer(source):
  """`prepare` for sources that need it, else None."""
  return prepare if source == 'kitti' else None
