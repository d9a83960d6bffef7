using Vmm.DeviceModel.Control;
using Vmm.Host;
using Vmm.Storage;

namespace Vmm.Machine.Served;

/// <summary>One end of the control channel: asks, answers and tells. Thread-safe; one thread receives. The other end is not trusted.</summary>
/// <param name="channel">Stays the caller's.</param>
internal sealed class ControlPeer(ControlChannel channel)
{
    private const int MostPending = 1024;

    private readonly Lock _gate = new();
    private readonly Dictionary<long, TaskCompletionSource<ControlAnswer?>> _pending = [];
    private long _last;
    private bool _isOver;

    /// <summary>Sends a request. The answer is null when the other end goes without one.</summary>
    public Task<ControlAnswer?> Ask(ControlMessage request, params ReadOnlySpan<int> descriptors)
    {
        TaskCompletionSource<ControlAnswer?> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        long number;
        lock (_gate)
        {
            if (_isOver || _pending.Count == MostPending) return Task.FromResult<ControlAnswer?>(null);
            _pending.Add(number = ++_last, answer);
        }

        // One that does not take anything has to go.
        if (!channel.TrySend(ControlJson.Format(request with { Number = number }), descriptors)) channel.Shutdown();
        return answer.Task;
    }

    /// <summary>Sends what is not answered.</summary>
    public void Tell(ControlMessage message, params ReadOnlySpan<int> descriptors)
    {
        if (!channel.TrySend(ControlJson.Format(message with { Number = 0 }), descriptors)) channel.Shutdown();
    }

    /// <summary>Carries a request out and answers it.</summary>
    /// <param name="request">The request.</param>
    /// <param name="work">Gives the answer, and a file that goes with it, which is closed then.</param>
    public void Answer(ControlMessage request, Func<(ControlMessage? Answer, LinuxFile? File)> work)
    {
        (ControlMessage? answer, LinuxFile? file) = (null, null);
        try
        {
            (answer, file) = work();
        }
        catch (Exception e)
        {
            ControlProblem problem = e switch
            {
                ImageException => ControlProblem.Image,
                DeviceException => ControlProblem.Device,
                IOException or UnauthorizedAccessException => ControlProblem.Host,
                _ => ControlProblem.Fault,
            };
            answer = new ControlMessage { Verb = ControlVerb.Answer, Problem = problem, Text = problem == ControlProblem.Fault ? $"{e.GetType().Name}: {e.Message}" : e.Message };
        }

        using (file)
        {
            byte[] bytes = ControlJson.Format((answer ?? new ControlMessage { Verb = ControlVerb.Answer }) with { Number = request.Number });
            if (!channel.TrySend(bytes, file is null ? [] : [file.Fd])) channel.Shutdown();
        }
    }

    /// <summary>Receives until the end, which is also what makes no sense.</summary>
    /// <param name="handle">Takes messages, and the files that came with them, which become its own.</param>
    public void Receive(Action<ControlMessage, List<LinuxFile>> handle)
    {
        while (true)
        {
            List<LinuxFile> files = [];
            ControlMessage? message = channel.Receive(files) is { } bytes ? ControlJson.Parse(bytes) : null;
            if (message is null)
            {
                Close(files);
                break;
            }

            if (message.Verb == ControlVerb.Answer) Take(message, files);
            else handle(message, files);
        }

        channel.Shutdown();
        Finish();
    }

    /// <summary>Closes files that nobody wants.</summary>
    public static void Close(IEnumerable<LinuxFile> files)
    {
        foreach (LinuxFile file in files) file.Dispose();
    }

    private void Take(ControlMessage message, List<LinuxFile> files)
    {
        TaskCompletionSource<ControlAnswer?>? waiting;
        lock (_gate) _pending.Remove(message.Number, out waiting);
        if (waiting is null || !waiting.TrySetResult(new ControlAnswer(message, files))) Close(files);
    }

    private void Finish()
    {
        TaskCompletionSource<ControlAnswer?>[] left;
        lock (_gate)
        {
            _isOver = true;
            left = [.. _pending.Values];
            _pending.Clear();
        }

        foreach (TaskCompletionSource<ControlAnswer?> waiting in left) waiting.TrySetResult(null);
    }
}
