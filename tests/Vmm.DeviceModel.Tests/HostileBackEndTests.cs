using System.Diagnostics;
using Vmm.Core.Memory;
using Vmm.DeviceModel.VhostUser.Client;
using Vmm.DeviceModel.VhostUser.Messages;
using Vmm.Devices.Virtio;
using Vmm.Host;

namespace Vmm.DeviceModel.Tests;

/// <summary>A back end that answers anything, or nothing: the machine is told, and never waits for ever.</summary>
public sealed class HostileBackEndTests : IDisposable
{
    private const int AnswerTimeoutMs = 300, Connections = 300;

    // On a machine that is busy; what is to be shown is that there is an end.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly EpollLoop _loop = new("loop", _ => { });
    private readonly MappedMemory _ram = new(1 << 20);

    public void Dispose()
    {
        _loop.Dispose();
        _ram.Dispose();
    }

    [Theory]
    [InlineData("silence", 1)]
    [InlineData("silence", 15)]
    [InlineData("silence", 21)]
    [InlineData("silence", 24)]
    [InlineData("trickle", 24)]
    [InlineData("half", 1)]
    [InlineData("end", 1)]
    [InlineData("end", 24)]
    [InlineData("another", 1)]
    [InlineData("request", 1)]
    [InlineData("short", 1)]
    [InlineData("short", 24)]
    [InlineData("empty", 17)]
    [InlineData("long", 24)]
    [InlineData("endless", 1)]
    [InlineData("none", 17)]
    public void Answer_ThatMakesNoSense_EndsTheConnectionInTime(string how, int to)
    {
        Stopwatch watch = Stopwatch.StartNew();
        Assert.Throws<VhostUserException>(() => Connect((request, answer, channel) => request == (VhostUserRequest)to && Misbehave(how, request, answer, channel)));
        Assert.True(watch.Elapsed < Patience, $"{how}: {watch.Elapsed}");
    }

    [Theory]
    [InlineData("silence", 11)]
    [InlineData("short", 11)]
    [InlineData("another", 31)]
    [InlineData("files", 31)]
    [InlineData("fileless", 31)]
    [InlineData("silence", 5)]
    [InlineData("refusal", 12)]
    [InlineData("end", 9)]
    public void Answer_WhileTheDriverIsThere_DoesNotKeepTheMachine(string how, int to)
    {
        using VhostUserFrontEnd frontEnd = Connect((request, answer, channel) => request == (VhostUserRequest)to && Misbehave(how, request, answer, channel));
        Live(frontEnd, TimeSpan.FromMilliseconds(100));
    }

    [Fact]
    public void Requests_WithoutEnd_DoNotKeepTheMachine()
    {
        FakeBackEnd? last = null;
        using VhostUserFrontEnd frontEnd = Connect(null, backEnd => last = backEnd);
        Assert.True(SpinWait.SpinUntil(() => last!.Asking is not null, Patience));
        bool isOver = false;
        Thread talking = new(() =>
        {
            using VhostUserMessage message = new();
            VhostUserFlags[] flags = [VhostUserFlags.None, VhostUserFlags.NeedReply];
            // No more answers are taken than there is room for.
            for (int i = 0; !Volatile.Read(ref isOver) && message.Begin((uint)(i % 7), flags[i & 1]).Add((ulong)i).TrySend(last!.Asking!, [], 100); i++)
            {
            }
        });
        talking.Start();
        Live(frontEnd, TimeSpan.FromMilliseconds(500));
        Volatile.Write(ref isOver, true);
        talking.Join();
    }

    [Fact]
    public void Answers_AtRandom_NeverThrowOrHang()
    {
        Random random = new(7);
        int made = 0, refused = 0;
        for (int i = 0; i < Connections; i++)
        {
            int seed = random.Next();
            Stopwatch watch = Stopwatch.StartNew();
            try
            {
                Random own = new(seed);
                using VhostUserFrontEnd frontEnd = Connect((_, answer, channel) =>
                {
                    lock (own) return own.Next(8) == 0 && Scramble(own, answer, channel);
                });
                Live(frontEnd, TimeSpan.Zero);
                made++;
            }
            catch (VhostUserException)
            {
                refused++;
            }

            Assert.True(watch.Elapsed < Patience, $"{seed}: {watch.Elapsed}");
        }

        Assert.True(made > 20 && refused > 20, $"{made} of {Connections} served, {refused} refused");
    }

    /// <summary>One life of a machine: a driver comes, and goes.</summary>
    private void Live(VhostUserFrontEnd frontEnd, TimeSpan length)
    {
        Stopwatch watch = Stopwatch.StartNew();
        VhostUserDevice device = frontEnd.CreateDevice(new GuestMemory(_ram.RamRegions()));
        IVirtioRemoteDevice remote = device;
        remote.StartQueue(0, new() { Size = 16, Descriptors = 0x1000, Available = 0x2000, Used = 0x3000, IsEnabled = true }, VirtioFeatures.VIRTIO_F_VERSION_1, default);
        device.Activate(new VirtioActivation(VirtioFeatures.VIRTIO_F_VERSION_1, [], () => { }) { Calls = new NoCalls() });
        device.OnKick(0);
        Thread.Sleep(length);
        device.Dispose();
        Assert.True(watch.Elapsed < Patience + length, $"{watch.Elapsed}");
    }

    private VhostUserFrontEnd Connect(Func<VhostUserRequest, VhostUserMessage, UnixChannel, bool>? misbehave, Action<FakeBackEnd>? made = null)
    {
        UnixChannel? NewBackEnd()
        {
            (UnixChannel ours, UnixChannel theirs) = UnixChannel.Pair();
            FakeBackEnd backEnd = new(theirs, misbehave);
            made?.Invoke(backEnd);
            return ours;
        }

        VhostUserOptions options = new() { Kind = VhostUserKind.Block, QueueSize = 16, AnswerTimeoutMs = AnswerTimeoutMs };
        return new VhostUserFrontEnd(NewBackEnd, options, _loop, Patience, _ => { });
    }

    private static bool Misbehave(string how, VhostUserRequest request, VhostUserMessage answer, UnixChannel channel)
    {
        switch (how)
        {
            case "silence":
                break;
            case "trickle":
                byte[] slow = [.. BitConverter.GetBytes((uint)request), 5, 0, 0, 0, 72, 0, 0, 0, .. new byte[72]];
                for (int i = 0; i < slow.Length && channel.TrySend(slow.AsSpan(i, 1), [], 1000); i++) Thread.Sleep(AnswerTimeoutMs / 4);
                break;
            case "half":
                channel.TrySend([1, 0, 0], [], 1000);
                break;
            case "end":
                channel.Shutdown();
                break;
            case "another":
                answer.Begin((uint)request + 1, VhostUserFlags.Reply).Add(0UL).TrySend(channel, [], 1000);
                break;
            case "request":
                answer.Begin((uint)request, VhostUserFlags.None).Add(0UL).TrySend(channel, [], 1000);
                break;
            case "short":
                answer.Begin((uint)request, VhostUserFlags.Reply).Add((ushort)1).TrySend(channel, [], 1000);
                break;
            case "empty":
                answer.Begin((uint)request, VhostUserFlags.Reply).TrySend(channel, [], 1000);
                break;
            case "long":
                answer.Begin((uint)request, VhostUserFlags.Reply).Add(new byte[VhostUserMessage.MostPayloadBytes]).TrySend(channel, [], 1000);
                break;
            case "endless":
                channel.TrySend([.. BitConverter.GetBytes((uint)request), 5, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], [], 1000);
                break;
            case "none":
                answer.Begin((uint)request, VhostUserFlags.Reply).Add(0UL).TrySend(channel, [], 1000);
                break;
            case "files":
                answer.TrySend(channel, [channel.Fd, channel.Fd], 1000);
                break;
            case "fileless":
                answer.TrySend(channel, [], 1000);
                break;
            case "refusal":
                answer.Begin((uint)request, VhostUserFlags.Reply).Add(1UL).TrySend(channel, [], 1000);
                break;
        }

        return true;
    }

    private static bool Scramble(Random random, VhostUserMessage answer, UnixChannel channel)
    {
        byte[] payload = new byte[random.Next(4) == 0 ? random.Next(200) : answer.Payload.Length];
        answer.Payload[..Math.Min(payload.Length, answer.Payload.Length)].CopyTo(payload);
        if (payload.Length != 0) payload[random.Next(payload.Length)] ^= (byte)(1 << random.Next(8));
        int[] files = [.. Enumerable.Repeat(channel.Fd, random.Next(4) == 0 ? random.Next(3) : 0)];
        return answer.Begin(answer.Request + (random.Next(16) == 0 ? 1u : 0), VhostUserFlags.Reply).Add(payload).TrySend(channel, files, 1000);
    }

    private sealed class NoCalls : IVirtioCalls
    {
        public int Descriptor(int queue) => -1;

        public void Raise(int queue)
        {
        }

        public void Break(int queue, string why)
        {
        }
    }
}
