using Vmm.Core.Memory;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Queue;
using Vmm.TestKit;

namespace Vmm.Fuzz.Virtio;

/// <summary>
/// Rings that a guest made up, and a device that works on them. Input: what was negotiated, the size, the number of steps, the steps (what
/// to do in the low three bits, with which of eight chains in the next three), then what stands in memory.
/// </summary>
public sealed class VirtQueueTarget : IFuzzTarget
{
    private const int HeaderBytes = 3, Chains = 8, MemoryBytes = 0x10000;
    private const ulong Available = 0x1000, Used = 0x1800;
    private const byte Packed = 1, Indirect = 2, EventIndex = 4;

    /// <inheritdoc/>
    public string Name => "virtqueue";

    /// <inheritdoc/>
    public int MostBytes => HeaderBytes + byte.MaxValue + 0x4000;

    /// <inheritdoc/>
    public void Run(ReadOnlySpan<byte> input)
    {
        if (input.Length < HeaderBytes) return;
        int steps = Math.Min(input[2], input.Length - HeaderBytes);
        using TestMemory test = new(MemoryBytes);
        ReadOnlySpan<byte> image = input[(HeaderBytes + steps)..];
        test.Memory.TryCopyIn(default, image[..Math.Min(image.Length, MemoryBytes)]);
        ulong features = ((input[0] & Packed) != 0 ? VirtioFeatures.VIRTIO_F_RING_PACKED : 0) | ((input[0] & Indirect) != 0 ? VirtioFeatures.VIRTIO_F_INDIRECT_DESC : 0)
            | ((input[0] & EventIndex) != 0 ? VirtioFeatures.VIRTIO_F_EVENT_IDX : 0);
        new Work(test.Memory, features, input[1]).Do(input.Slice(HeaderBytes, steps));
    }

    private sealed class Work
    {
        private readonly GuestMemory _memory;
        private readonly ulong _features;
        private readonly VirtQueueSetup _setup;
        private readonly VirtQueue _queue;
        private readonly VirtChain[] _chains;

        // In the order of popping; -1 is none.
        private readonly List<int> _out = [];
        private readonly byte[] _data = new byte[64];
        private bool _isUntold;
        private int _problems;

        public Work(GuestMemory memory, ulong features, ushort size)
        {
            (_memory, _features) = (memory, features);
            _setup = new() { Size = size, Descriptors = 0, Available = Available, Used = Used };
            _queue = new VirtQueue(0, 64, memory, static _ => { }, (_, _) => _problems++);
            _chains = [.. Enumerable.Range(0, Chains).Select(_ => _queue.NewChain())];
            _queue.Start(_setup, features);
        }

        public void Do(ReadOnlySpan<byte> steps)
        {
            foreach (byte step in steps)
            {
                Step(step & 7, step >> 3 & 7);
                Must(_problems <= 1 && _queue.IsBroken == (_problems == 1), "a broken queue is told of once");
                Must(_queue.IsIdle == (_out.Count == 0 && !_isUntold), "idle is when nothing is out and the driver knows it");
            }
        }

        private void Step(int what, int which)
        {
            switch (what)
            {
                case 0 or 1 when !_out.Contains(which):
                    if (_queue.TryPop(_chains[which])) _out.Add(which);
                    break;
                case 2 when _out.Contains(which):
                    _isUntold |= !_queue.IsBroken;
                    _queue.Push(_chains[which], (uint)Math.Min(_chains[which].WritableBytes, uint.MaxValue));
                    _out.Remove(which);
                    break;
                case 3:
                    _queue.Signal();
                    _isUntold = false;
                    break;
                case 4 when _out.Count != 0:
                    _queue.Return(_chains[_out[^1]]);
                    _out.RemoveAt(_out.Count - 1);
                    break;
                case 5 when _out.Contains(which):
                    Touch(_chains[which]);
                    break;
                case 6:
                    // The driver goes on: another chain of a split ring, or another descriptor of a packed one.
                    if (_memory.TryRead(new GuestAddress(Available + 2), out ushort index)) _memory.TryWrite(new GuestAddress(Available + 2), (ushort)(index + 1));
                    if (_memory.TryRead(new GuestAddress((ulong)which * 16 + 14), out ushort flags)) _memory.TryWrite(new GuestAddress((ulong)which * 16 + 14), (ushort)(flags ^ 0x8080));
                    break;
                case 7 when _queue.IsIdle:
                    VirtQueueState state = _queue.Save(_setup);
                    _problems = 0;
                    _queue.Restore(state, _setup, _features);
                    _problems = _queue.IsBroken ? 1 : 0;
                    Must(_queue.Save(_setup) == state, "a restored queue is as it was");
                    break;
            }
        }

        private void Touch(VirtChain chain)
        {
            int readable = (int)Math.Min(chain.ReadableBytes, (ulong)_data.Length), writable = (int)Math.Min(chain.WritableBytes, (ulong)_data.Length);
            Must(chain.TryRead(chain.ReadableBytes - (ulong)readable, _data.AsSpan(0, readable)), "what is readable can be read");
            Must(chain.TryWrite(chain.WritableBytes - (ulong)writable, _data.AsSpan(0, writable)), "what is writable can be written");
            Must(!chain.TryRead(chain.ReadableBytes, _data.AsSpan(0, 1)) && !chain.TryWrite(chain.WritableBytes, _data.AsSpan(0, 1)), "nothing lies behind the end");
        }

        private static void Must(bool fact, string what)
        {
            if (!fact) throw new InvalidOperationException($"virtqueue: not so: {what}");
        }
    }
}
