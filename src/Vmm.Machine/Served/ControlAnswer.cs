using Vmm.Host;
using Vmm.Storage;

namespace Vmm.Machine.Served;

/// <summary>What became of a request.</summary>
/// <param name="Message">The answer.</param>
/// <param name="Files">What came with it; the receiver's.</param>
internal sealed record ControlAnswer(ControlMessage Message, IReadOnlyList<LinuxFile> Files)
{
    /// <summary>Throws what would have been thrown where it was asked.</summary>
    public ControlAnswer Good()
    {
        string text = Message.Text ?? "the other process does not say why";
        return Message.Problem switch
        {
            ControlProblem.None => this,
            ControlProblem.Image => throw new ImageException(text),
            ControlProblem.Host => throw new LinuxException(text),
            ControlProblem.Device => throw new DeviceException(text),
            _ => throw new InvalidOperationException(text),
        };
    }
}
