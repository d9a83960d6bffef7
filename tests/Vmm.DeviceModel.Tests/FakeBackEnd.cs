using Vmm.DeviceModel.VhostUser.Inflight;
using Vmm.DeviceModel.VhostUser.Messages;
using Vmm.Devices.Virtio;
using Vmm.Host;

namespace Vmm.DeviceModel.Tests;

/// <summary>A back end that answers as it should, until it is told to do something else with an answer.</summary>
internal sealed class FakeBackEnd
{
    private readonly UnixChannel _channel;
    private readonly Func<VhostUserRequest, VhostUserMessage, UnixChannel, bool>? _misbehave;
    private readonly Thread _thread;

    /// <param name="channel">Becomes this object's.</param>
    /// <param name="misbehave">Sees each request with the answer that is ready to be sent; true when it has done something in its place.</param>
    public FakeBackEnd(UnixChannel channel, Func<VhostUserRequest, VhostUserMessage, UnixChannel, bool>? misbehave = null)
    {
        (_channel, _misbehave) = (channel, misbehave);
        _thread = new Thread(Serve) { IsBackground = true };
        _thread.Start();
    }

    /// <summary>The channel on which it may ask for something; null before it has one.</summary>
    public UnixChannel? Asking { get; private set; }

    /// <summary>Ends it, as a death would.</summary>
    public void Kill()
    {
        _channel.Shutdown();
        _thread.Join();
    }

    private void Serve()
    {
        using VhostUserMessage message = new(), answer = new();
        using (_channel)
        {
            while (message.TryReceive(_channel, UnixChannel.Forever))
            {
                VhostUserRequest request = (VhostUserRequest)message.Request;
                LinuxFile? file = null;
                bool isAnswered = Answer(request, message, answer, ref file);
                if (request == VhostUserRequest.SET_BACKEND_REQ_FD && message.TakeFile() is { } asking) Asking = new UnixChannel(asking);
                using (file)
                {
                    if (!isAnswered && !message.NeedsReply) continue;
                    if (_misbehave?.Invoke(request, answer, _channel) == true) continue;
                    if (!answer.TrySend(_channel, file is null ? [] : [file.Fd], 1000)) break;
                }
            }
        }

        Asking?.Dispose();
    }

    private static bool Answer(VhostUserRequest request, VhostUserMessage message, VhostUserMessage answer, ref LinuxFile? file)
    {
        answer.Begin(message.Request, VhostUserFlags.Reply);
        switch (request)
        {
            case VhostUserRequest.GET_FEATURES:
                answer.Add(VirtioFeatures.VIRTIO_F_VERSION_1 | VhostUserFeatures.VHOST_USER_F_PROTOCOL_FEATURES);
                return true;
            case VhostUserRequest.GET_PROTOCOL_FEATURES:
                answer.Add((ulong)VhostUserProtocolFeatures.All);
                return true;
            case VhostUserRequest.GET_QUEUE_NUM:
                answer.Add(2UL);
                return true;
            case VhostUserRequest.GET_CONFIG:
                answer.Add(message.Payload);
                return true;
            case VhostUserRequest.GET_VRING_BASE:
                answer.Add(message.Payload);
                return true;
            case VhostUserRequest.GET_INFLIGHT_FD:
                message.TryGet(out InflightDescription wanted);
                using (InflightRegion region = InflightRegion.Create(wanted.Queues, wanted.QueueSize, out file)) answer.Add(wanted with { SizeBytes = region.SizeBytes });
                return true;
            default:
                answer.Add(0UL);
                return false;
        }
    }
}
