using Vmm.Host.Aio;

namespace Vmm.Host.Tests.Aio;

/// <summary>A transfer that remembers how it ended.</summary>
internal sealed class CountedTransfer(Action? ended = null) : BlockTransfer
{
    public int? Error { get; private set; }

    public void Wait() => Assert.True(SpinWait.SpinUntil(() => Error is not null, TimeSpan.FromSeconds(30)), "a transfer does not end");

    protected override void Ended(int error)
    {
        Error = error;
        ended?.Invoke();
    }
}
